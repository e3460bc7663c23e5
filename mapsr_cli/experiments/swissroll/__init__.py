"""The Swiss roll (Section 5.1, Figure 1, Table 1): the one experiment whose truth is known."""
