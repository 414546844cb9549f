"""torch's own databases of operators, modules, optimizers and functions, as they lie in the wheel, run traced and untraced.

    python -m tests.databases                    # everything, and the page docs/databases.md
    python -m tests.databases op_db -k scatter   # what differs, and how; no page
"""
