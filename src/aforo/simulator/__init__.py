"""An Avigilon site that is not there: a Web Endpoint over real HTTPS, a crowd that knows the truth, and faults."""

from aforo.simulator.auth import Credentials
from aforo.simulator.event_log import Camera, Kind, Passage, Server
from aforo.simulator.faults import EVERY, Fault, Faults
from aforo.simulator.oracle import STADIUM, Answer, HistoryRow, RuleTexts, Truth, ZoneTexts, ZoneTruth
from aforo.simulator.runner import Options, add_arguments, options_from, serve
from aforo.simulator.scenario import Crowd, Plan
from aforo.simulator.server import Simulator
from aforo.simulator.server_profile import Behaviour, DeviceIds, Order, TokenHash, Tokens

__all__ = [
    "EVERY",
    "STADIUM",
    "Answer",
    "Behaviour",
    "Camera",
    "Credentials",
    "Crowd",
    "DeviceIds",
    "Fault",
    "Faults",
    "HistoryRow",
    "Kind",
    "Options",
    "Order",
    "Passage",
    "Plan",
    "RuleTexts",
    "Server",
    "Simulator",
    "TokenHash",
    "Tokens",
    "Truth",
    "ZoneTexts",
    "ZoneTruth",
    "add_arguments",
    "options_from",
    "serve",
]
