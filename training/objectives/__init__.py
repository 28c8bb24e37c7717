"""What is minimised: losses, adversarial training, and the augmentation that it needs."""
