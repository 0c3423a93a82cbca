"""``python -m hafailover``."""

from hafailover.cli.main import main

main()
