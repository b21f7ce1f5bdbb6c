"""Networks of other people, by name: their files, their labels, their preprocessing."""
