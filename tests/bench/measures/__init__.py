"""One module for each line of the table; each has `measure() -> list[Row]`."""
