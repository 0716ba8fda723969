import pytest
from pydantic import SecretStr

from aforo.errors import BadSetting
from aforo.settings import WebSettings
from aforo.web import check

TOKEN = SecretStr("0123456789abcdef")


@pytest.mark.parametrize(
    ("settings", "fine"),
    [
        (WebSettings(), True),
        (WebSettings(host="localhost"), True),
        (WebSettings(host="::1"), True),
        (WebSettings(host="0.0.0.0"), False),
        (WebSettings(host="sala-de-control"), False),
        (WebSettings(host="0.0.0.0", read_token=TOKEN), True),
    ],
)
def test_a_page_open_to_the_network_needs_a_password(settings: WebSettings, fine: bool) -> None:
    if fine:
        check(settings)
    else:
        with pytest.raises(BadSetting, match=r"web\.host"):
            check(settings)
