"""`python -m sandlot` is the `sandlot` command."""

from sandlot.cli import main

if __name__ == "__main__":
    main()
