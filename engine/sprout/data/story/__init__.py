"""Stories with a plot: who they are about, what is wanted, what stands in the way, how it ends.

Read in this order: `cast.py` (who), `plots.py` (what is wanted), `obstacles.py` (what stands
in the way), `scenes.py` (how it begins and ends), `teller.py` (puts one story together),
`sample.py` (what people ask for, and what they ask afterwards).
"""
