"""An artifact behind HTTP: TensorFlow Serving's REST and the Open Inference Protocol."""
