"""What changes the weights: one optimizer step, the learning rate's schedule, the averaged weights."""
