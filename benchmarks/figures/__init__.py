"""Writers of the measured figures in README, CHANGELOG and docs, one file for each table; `publish` runs them.

A writer is a module with `write(results)`. It reads documents of `benchmarks/results` through `base.Results` and gives
the text of its regions: key "" is the region that has the module's name, with "-" for "_"; key "best" is the region
`NAME.best`.
"""
