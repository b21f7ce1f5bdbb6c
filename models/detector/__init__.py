"""Finding detector: findings with boxes, by Faster R-CNN."""
