"""The HTML page of a store: what it says (model), how it is written (document), and how it is shown live (live)."""
