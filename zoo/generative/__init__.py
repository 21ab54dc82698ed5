"""What autoencoders and adversarial networks need beside the rest: their scores, exports, answers and commands."""
