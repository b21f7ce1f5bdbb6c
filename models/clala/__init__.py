"""CLALA-Net: a sentence for each of eleven regions, told of the whole film's lesions.

"Hybrid framework for lesion-aware, clinically coherent chest X-ray report generation using
contrastive learning and large language models" (Scientific Reports 2026).
"""
