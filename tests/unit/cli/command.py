"""The command line as its entry point gets it, run in this process: a new Python costs half a second."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hafailover.cli.main import main


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Command:
    """Calls ``hafailover`` with these words."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *words: str) -> Done:
        self._monkeypatch.setattr("sys.argv", ["hafailover", *words])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        said = self._capsys.readouterr()
        code = caught.value.code
        assert isinstance(code, int | None)
        return Done(code or 0, said.out, said.err)
