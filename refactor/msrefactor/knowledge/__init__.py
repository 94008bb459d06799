"""What is known of base images and system packages: tables with their sources, read when first asked for."""
