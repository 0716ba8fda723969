"""The reason that a broken JSON file is rejected with is the mistake that was made."""

import json

import pytest

from aforo.inputs.json_faults import why_no_json

CURLY = "comillas «“», que no son las rectas"
COMMA = "sobra una coma"
END = "acaba antes de tiempo"
NO_QUOTES = "sin comillas dobles"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{“2025-01-20”: 1}", CURLY), ('{"nombre": “Concierto”}', CURLY), ('{"nombre": "El “A”\n}', CURLY),
        ('{"a”: 1}', "comillas «”»"), ('{"nombre": "Concierto”, "b": 1}', "comillas «”»"),
        ('{"nombre": "C”,\n"b": 1}', "comillas «”»"), ("{«a»: 1}", "comillas ««»"), ("{‘a’: 1}", "comillas «‘»"),
        ('{"a": 1,}', COMMA), ("[1,]", COMMA), ("[1 , ]", COMMA), ('["a",,"b"]', COMMA), ("[,1]", COMMA),
        ('{,"a":1}', COMMA),
        ('{"a":1, // hola\n"b":2}', "un comentario"), ("# hola\n{}", "un comentario"), ("/* a */ {}", "un comentario"),
        ("{'a': 1}", "comillas simples"), ("{\"a\": 'x'}", "comillas simples"),
        ('{"a": 1} x', "sobra texto al final"), ('{"a": 1}}', "sobra texto al final"),
        ('"2025-01-20": {}', "faltan las llaves"), ('"A", "B"', "faltan los corchetes"),
        ('{"a" 1}', "faltan los dos puntos"), ('{"a"=1}', "«:», no «=»"), ('{"a":1;"b":2}', "«,», no «;»"),
        ('{"a":1 "b":2}', "falta una coma"), ('["A" "B"]', "falta una coma"), ('["A"\n"B"]', "falta una coma"),
        ('["A","B"', END), ('{"a": {"b": 1}', END), ('{"a":', END), ("{", END), ("[", END),
        ("[1}", "no casa"), ('{"a": 1]', "no casa"),
        ("{a: 1}", "faltan las comillas dobles de «a»"), ("[CAM-1, CAM2]", "faltan las comillas dobles de «CAM-1»"),
        ("{2025-01-20: 1}", "faltan las comillas dobles de «2025-01-20»"),
        ('{"h": 16:00}', NO_QUOTES), ('{"h": 08:00}', NO_QUOTES), ('{"h": 2025-01-20}', NO_QUOTES),
        ("[True]", "«True» se escribe «true»"), ('{"a":}', "falta un valor"),
        ('{"n": "El "Gran" C"}', "comillas dentro de un texto"), ('{"p": "C:\\x"}', "«\\» en un texto"),
        ('{"a": "x\ty"}', "un tabulador"), ('{"a": "x\ny"}', "sigue en la línea siguiente"),
        ('{"a": "x\x01y"}', "un carácter de control"), ('{"a": "x', "falta cerrar unas comillas"),
        ('{\u00a0"a": 1}', "U+00A0"), ('{"a":\u200b1}', "U+200B"), ("\ufeff{}", "U+FEFF"),
    ],
)  # fmt: skip
def test_the_reason_is_the_mistake(text: str, reason: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    assert reason in why_no_json(text, caught.value)
