"""A simulated Avigilon site: a Web Endpoint over real HTTPS, a seeded event with its truth, and faults."""

from aforo.simulator.auth import Credentials
from aforo.simulator.crowd import Crowd, CrowdDoor, CrowdOptions, CrowdPlan, CrowdTruth, DoorMinutes, Misses
from aforo.simulator.event_log import Camera, Crossing, Kind, Server
from aforo.simulator.faults import EVERY, Delay, Fault, Faults
from aforo.simulator.oracle import STADIUM, Answer, HistoryRow, Oracle, RuleTexts, ZoneTexts, ZoneTruth
from aforo.simulator.runner import Options, add_arguments, options_from, run, serve
from aforo.simulator.scenario import Scenario, ScenarioPlan
from aforo.simulator.server import Simulator
from aforo.simulator.server_profile import DeviceIds, Order, ServerProfile, TokenHash, Tokens, Topics, Webhooks

__all__ = [
    "EVERY",
    "STADIUM",
    "Answer",
    "Camera",
    "Credentials",
    "Crossing",
    "Crowd",
    "CrowdDoor",
    "CrowdOptions",
    "CrowdPlan",
    "CrowdTruth",
    "Delay",
    "DeviceIds",
    "DoorMinutes",
    "Fault",
    "Faults",
    "HistoryRow",
    "Kind",
    "Misses",
    "Options",
    "Oracle",
    "Order",
    "RuleTexts",
    "Scenario",
    "ScenarioPlan",
    "Server",
    "ServerProfile",
    "Simulator",
    "TokenHash",
    "Tokens",
    "Topics",
    "Webhooks",
    "ZoneTexts",
    "ZoneTruth",
    "add_arguments",
    "options_from",
    "run",
    "serve",
]
