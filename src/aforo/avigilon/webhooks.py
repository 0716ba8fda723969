"""The webhooks of the site: what the server is asked to push, and where to. Written once beside the reads."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aforo.avigilon.errors import ApiError, parse_error, quoted, to_acc_error
from aforo.avigilon.payloads import STOP, Webhook, decode_webhooks
from aforo.avigilon.request_pipeline import RequestPipeline
from aforo.avigilon.transport import Response
from aforo.errors import AccBadRequest, AccDenied, AccError, AccUnreachable
from aforo.redaction import Mask

_PATH = "/webhooks"
_TOPIC_KEYS = ("whitelist", "include")  # newer servers have the second name
_MOST_IDS = 16  # of one request
_UNKNOWN = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})


class WebhookApi:
    """Lists and changes the webhooks of a site. Every method raises AccError: AccDenied where the right is missing,
    AccBadRequest where the server has no webhooks or does not take this one.
    """

    def __init__(self, pipeline: RequestPipeline, mask: Mask) -> None:
        self._pipeline = pipeline
        self._mask = mask
        self._topic_keys = list(_TOPIC_KEYS)

    async def listed(self) -> list[Webhook]:
        """Return all webhooks of the site."""
        response = await self._pipeline.change("GET", _PATH)
        if response.status == HTTPStatus.BAD_REQUEST:
            raise self._unsupported(response)
        try:
            listing = decode_webhooks(self._checked(response).body)
        except ApiError as error:
            raise to_acc_error(error, self._mask) from None
        if listing.unusable:  # one of them may be ours: no second one is made
            raise AccUnreachable("La lista de webhooks del servidor de cámaras no se puede leer entera.")
        return listing.entries

    async def write(self, url: str, token: str, heartbeat: float, webhook_id: str = "") -> None:
        """Create a webhook for the camera events that count, or change the one with that id.

        ``token``: base64 of at least 16 random bytes; ``heartbeat``: seconds between two heartbeats, 30 or more.
        """
        self._mask.know([token])
        webhook: dict[str, Any] = {
            "url": url,
            "authenticationToken": token,
            "heartbeat": {"enable": True, "frequencyMs": round(heartbeat * 1000)},
        }
        if webhook_id:
            webhook["id"] = webhook_id
        method = "PUT" if webhook_id else "POST"
        for key in self._topic_keys:
            response = await self._pipeline.change(method, _PATH, {"webhook": webhook | {"eventTopics": {key: [STOP]}}})
            if response.status != HTTPStatus.BAD_REQUEST:
                break
        self._checked(response)
        self._topic_keys = [key, *(other for other in self._topic_keys if other != key)]

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete these webhooks."""
        for first in range(0, len(ids), _MOST_IDS):
            self._checked(await self._pipeline.change("DELETE", _PATH, {"ids": list(ids[first : first + _MOST_IDS])}))

    def _checked(self, response: Response) -> Response:
        """Return a response that is no error. Raises AccError."""
        if response.status < HTTPStatus.BAD_REQUEST:
            return response
        if response.status in _UNKNOWN:
            raise self._unsupported(response)
        error = parse_error(response.status, response.body)
        if error.of_session:
            raise AccDenied(
                f"El servidor de cámaras no deja que este usuario use webhooks"
                f" ({error.status}{quoted(error.message, self._mask)}).",
                remedy="Revise en ACC los derechos del usuario.",
            )
        raise to_acc_error(error, self._mask)

    def _unsupported(self, response: Response) -> AccError:
        message = quoted(parse_error(response.status, response.body).message, self._mask)
        return AccBadRequest(
            f"Este servidor de cámaras no tiene webhooks, o no como se conocen ({response.status}{message}).",
            remedy="Actualice ACC, o deje push.url vacío.",
        )
