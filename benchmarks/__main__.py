"""`make bench`, or python -m benchmarks: what is measured, a JSON line a figure, times in seconds."""

from benchmarks import dynamic_image, train_step

dynamic_image.run()
train_step.run()
