"""The suite under each Python and torch that Tracer is made for, and the page that says what passed."""
