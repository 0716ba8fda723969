import pytest
from pydantic import SecretStr

from aforo.settings import AlertsSettings


@pytest.mark.parametrize("url", ["ftp://x/y", "avisos", "https://", "javascript:alert(1)"])
def test_a_webhook_is_an_http_address_and_a_wrong_one_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"alerts\.webhook_url") as caught:
        AlertsSettings(webhook_url=SecretStr(url))
    assert url not in str(caught.value)
