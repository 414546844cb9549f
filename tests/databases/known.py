"""What differs and is allowed to: how a case's label begins → why."""

KNOWN: dict[str, str] = {}
