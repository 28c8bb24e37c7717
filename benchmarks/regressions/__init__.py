"""Does `litho bench compare` find a slowdown?"""
