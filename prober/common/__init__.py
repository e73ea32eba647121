"""What every room needs: errors, files, pictures, colors."""
