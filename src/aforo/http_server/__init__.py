"""What the page and the receiver of pushes share: sockets, places, rates, and connections that are cut in time."""
