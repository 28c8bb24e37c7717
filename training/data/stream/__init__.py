"""Pictures that are read from shards while a training uses them: order, index of the shards, formats, reader."""
