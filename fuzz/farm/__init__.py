"""What fuzz/continuous consists of.

said      what engines and failing programs print, as values
store     the state on disk: a lock, files that are replaced whole, histories
children  programs that are started, and all that is left of them
engines   the programs that fuzz, and their command lines
corpora   what one engine finds goes to the other; merges
crashes   what failed: told apart, minimised, listed
page      the status page
turns     who runs when

Each knows only those above it.
"""
