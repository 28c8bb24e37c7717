"""Training objectives: tasks, losses, adversarial training and augmentation."""
