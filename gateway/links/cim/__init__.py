"""Group functions as XML over HTTPS, in the style of IEC 61968-100."""
