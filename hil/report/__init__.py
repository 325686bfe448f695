"""What a run was worth: score, figures and the page that shows them."""
