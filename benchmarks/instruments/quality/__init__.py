"""How well the model predicts the text, and how far its predictions are from FP32's."""
