"""How often visitors of the page may connect, ask and log in."""

from aforo.http_server.rate_limits import AddressLimit, Budget, KnownAddresses, TokenBuckets


class RateLimits:
    """All rates of the page. A flood uses up its sender's budget; who has a session has a budget of its own."""

    def __init__(self) -> None:
        self.known = known = KnownAddresses()
        self.connections = AddressLimit(known, each=Budget(150, 40), quiet=Budget(20, 1), together=Budget(200, 60))
        self.requests = AddressLimit(known, each=Budget(200, 60), quiet=Budget(40, 2), together=Budget(300, 100))
        self.logins = AddressLimit(known, each=Budget(6, 1 / 15), quiet=Budget(4, 1 / 20), together=Budget(30, 2))
        self.identified_requests = TokenBuckets(Budget(200, 60))  # by session, or by address with the read token
