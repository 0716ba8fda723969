"""Why a text is no JSON: the mistake that a person made, read from the place at which the parser gave up."""

import json
import re

from aforo.text_file import curly_quote, misleading

_WORD = re.compile(r"[^\W_][\w.-]*")
_LAST_STRING = re.compile(r'"(?:[^"\\]|\\.)*"\Z')
_PYTHON = {"True": "true", "False": "false", "None": "null"}
_LONGEST_WORD = 30  # characters of a word in a sentence


def why_no_json(text: str, error: json.JSONDecodeError) -> str:
    """Return in Spanish what is wrong where ``error`` was found."""
    at, message = error.pos, error.msg
    return _in_string(text, at, message) or misleading(text[at : at + 1]) or _foreign(text, at, message)


def _in_string(text: str, at: int, message: str) -> str:
    """Return what is wrong inside a string; "" where the fault is outside of one."""
    if "Unterminated string" in message:
        return _curly(text[at:].partition("\n")[0]) or "falta cerrar unas comillas"
    if "escape" in message:
        return "«\\» en un texto: se escribe «\\\\»"
    if "control character" not in message:
        return ""
    if text[at] in "\r\n":
        line = text[:at].rpartition("\n")[2]
        return _curly(line) or "un texto sigue en la línea siguiente: falta cerrar sus comillas"
    return "un tabulador dentro de un texto" if text[at] == "\t" else "un carácter de control dentro de un texto"


def _foreign(text: str, at: int, message: str) -> str:
    """Return which thing that JSON does not have stands there, or what is missing."""
    found = text[at : at + 1]
    if text.startswith(("//", "/*"), at) or found == "#":
        return "un comentario, que JSON no admite"
    if found == "'":
        return "comillas simples: en JSON son dobles"
    if _is_extra_comma(text, at):
        return "sobra una coma"
    if message == "Extra data":
        return _extra_data(found)
    if not text[at:].strip():
        return "acaba antes de tiempo: falta cerrar una llave o un corchete"
    return _expected(text, at, message)


def _curly(text: str) -> str:
    """Return the reason of the first quote that is not straight; "" where there is none."""
    return misleading(curly_quote(text))


def _is_extra_comma(text: str, at: int) -> bool:
    """Return whether a comma is one too many; Python 3.13 names the comma itself, older ones what follows it."""
    found, before, after = text[at : at + 1], text[:at].rstrip()[-1:], text[at + 1 :].lstrip()[:1]
    if found == ",":
        return before in {",", "[", "{"} or after in {"]", "}"}
    return before == "," and found in {"]", "}"}


def _extra_data(found: str) -> str:
    if found == ":":
        return "faltan las llaves { } que encierran todo"
    if found == ",":
        return "faltan los corchetes [ ] que encierran la lista"
    return "sobra texto al final"


def _expected(text: str, at: int, message: str) -> str:
    found = text[at]
    if "':' delimiter" in message:
        return "se escribe «:», no «=»" if found == "=" else "faltan los dos puntos tras el nombre"
    if "',' delimiter" in message:
        return _missing_comma(text, at)
    word = _WORD.match(text, at)
    if word is None:
        return "falta el nombre, entre comillas dobles" if "property name" in message else "falta un valor"
    if word[0] in _PYTHON:
        return f"«{word[0]}» se escribe «{_PYTHON[word[0]]}»"
    return f"faltan las comillas dobles de «{word[0][:_LONGEST_WORD]}»"


def _missing_comma(text: str, at: int) -> str:
    found, touching = text[at], text[at - 1 : at]
    if found == ";":
        return "se escribe «,», no «;»"
    if found in "]}":
        return "una llave o un corchete que no casa con el que se abrió"
    if touching == '"' and found.isalnum():
        string = _LAST_STRING.search(text, text.rfind("\n", 0, at) + 1, at)
        return _curly(string[0] if string else "") or 'comillas dentro de un texto: se escriben «\\"»'
    if touching.isalnum() and not found.isspace() and found not in '"[{':
        return "un texto, una fecha o una hora sin comillas dobles"
    return "falta una coma"
