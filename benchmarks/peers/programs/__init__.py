"""Programs that run as processes of their own, some with another Python: they import nothing of litho.

Each is started with the path of a JSON file that says what to do.
"""
