"""How the small depth network was made: scenes rendered here, training, judgement. Using it takes nothing of this."""
