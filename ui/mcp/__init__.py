"""The room over the Model Context Protocol: experts and jobs as tools, drafts as resources."""
