"""Names that anybody may write: hostile ones, and any of Unicode."""

from hypothesis import strategies as st

HOSTILE = (
    r"PUERTA $\frac{1}{$",
    "$x_{$ ^ % & #",
    "\x1b]0;title\x07\x1b[2J\x1b[31m",
    "\x9b31m\x9d0;t\x9c\x85",
    "a\r\n2026-01-27 16:00:03.123 INFO    Cierre: todo bien",
    "\u202eASREVNI\u2066\u2069\u200e\u200f\u061c",
    "a\u2028b\u2029c\u200b\ufeff",
    "[/] [bold] [link=http://x.example]x[/link] [/red",
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "{{ 7*7 }} {% raw %} ${x} %s %(x)s {0}",
    "=1+1",
    " \t=1+1",
    "\u3000＝1+1",
    "＋1",
    "\u200b－1",
    "@SUM(A1)",
    "'; DROP TABLE eventos_Analisis; --",
    "[click](http://x.example) ![x](http://x.example)",
    "<!channel> <@U1> & <http://x.example|x>",
    "../../etc/passwd",
    "CON",
    'a:b*c?d"e<f>g|h/i\\j',
    "😀" * 90,
    "\U0010ffff\uffff\ufdd0\ue000",
    "e\u0301" * 60,
    "\u0000nul",
    " ",
    "x" * 1000,
)

NAMES = st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=200)  # as the program keeps them: no half characters
