"""What people really have: odd and bad inputs, and what the package makes of each.

Every input gets the right number or one clear sentence. `table` says what that means and judges;
`examples` has the data that the parts share and the numbers to compare with, computed by loops over
examples and dense algebra; every other file holds the cases of one part of the package.

    python -m inputs [words of a name]     # in this folder's parent; make inputs prints all

A case names the input and what is expected of it:

    refused(name, function, *arguments, saying="words")    an error of ours with these words
    warned(...), told(...)                                 a warning of ours; one or the other
    right(name, function, *arguments, expected=number)     the number
    agree(name, function, *arguments)                      both numbers come from the function
    holds(name, function, *arguments)                      what the function finds is true
    right_or_told(...)                                     either will do

Arguments are compared before and after: no array that a reader passes may change.
"""

PARTS = (
    "objectives",
    "verbs",
    "margins",
    "curvature",
    "solvers",
    "stochastic",
    "fits",
    "singular",
    "influences",
    "refitting",
    "networks",
    "sharded",
    "estimators",
    "attacking",
    "auditing",
    "methods",
    "saving",
    "downloads",
    "models_and_data",
    "pictures",
)
