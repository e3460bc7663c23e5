"""`python -m mapsr_cli`."""

from mapsr_cli.cli.app import main

main()
