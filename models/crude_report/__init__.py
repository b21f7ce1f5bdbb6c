"""The crude-report generator: R2GenCMN (Chen et al., ACL-IJCNLP 2021), full size and small."""
