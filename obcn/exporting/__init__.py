"""This project's detectors as .onnx files, which run without PyTorch and open as anybody's (docs/any-detector.md).

Needs ``pip install 'obcn[export]'``.
"""
