"""What runs in a process of its own and loads a server: only the standard library, so that it starts in milliseconds.

Nothing here imports litho; `..processes` starts it and reads what it wrote.
"""
