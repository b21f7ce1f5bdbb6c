"""The words of chest radiography: findings, regions, claims, evidence, and the report labeler."""
