"""What people look at: sheets, maps, before/after pages, drawn kernels. Pictures in, pictures or HTML out."""
