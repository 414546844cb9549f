"""Whether what explanations say is so: each statement about a break is compared with facts that are found in another way.

    python -m tests.truth [CORPUS …] [-k PART]      # make truth: everything, into docs/truth.md

`corpora.py` runs programs traced and keeps their breaks. `facts.py` reads the source and runs the program once more, untraced, with
every expression of the line watched. `statements.py` holds a check for each kind of claim, `remedies.py` tries the advice.
"""
