"""What photos show, as numbers that are alike where things are alike: of small cells, and of whole photos."""
