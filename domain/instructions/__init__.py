"""Instructions: the edits that users ask for, in LaunchDarkly's words (semantics part 3).

Each turns one state into the next, or says what is wrong with it. One whose wanted state holds changes nothing.
"""
