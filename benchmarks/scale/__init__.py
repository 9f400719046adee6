"""What the pipeline costs against the size of the catalogue: measured, fitted, and told ahead."""
