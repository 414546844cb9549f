"""`python -m benchmarks`: what `make bench` runs."""

from benchmarks.models import main

if __name__ == "__main__":
    raise SystemExit(main())
