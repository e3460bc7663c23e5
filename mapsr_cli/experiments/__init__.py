"""The paper's experiments and the zoo's trainings, each a recipe over the other rooms."""
