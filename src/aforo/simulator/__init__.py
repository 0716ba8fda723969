"""An Avigilon site that is not there: a Web Endpoint over real HTTPS, a crowd that knows the truth, and faults."""

from aforo.simulator.behaviour import Behaviour, DeviceIds, Order, TokenHash, Tokens
from aforo.simulator.crowd import Crowd, Plan
from aforo.simulator.faults import EVERY, Fault, Faults
from aforo.simulator.login import Credentials
from aforo.simulator.process import Options, add_arguments, options_from, serve
from aforo.simulator.recording import Camera, Kind, Passage, Server
from aforo.simulator.server import Simulator
from aforo.simulator.truth import STADIUM, Answer, HistoryRow, RuleTexts, Truth, ZoneTexts, ZoneTruth

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
